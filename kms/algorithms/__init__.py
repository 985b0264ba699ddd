"""Cryptography by the API's names for it. Pure: bytes and opened keys in, bytes out.

Nothing here knows requests, key records or the store. What the library cannot do is in no table.
"""
