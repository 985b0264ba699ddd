"""Makes a server that must be caught: one whose writes judge their conditions early only.

Python imports this module at its start if its folder is on PYTHONPATH.
"""

from objstore.transfer import conditions

conditions.at_commit = lambda check: None
