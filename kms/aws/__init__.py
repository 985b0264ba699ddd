"""What any service that speaks AWS needs: names, identities, clocks, errors, models, signatures.

A leaf: nothing here imports `kms` or `objstore`.
"""
