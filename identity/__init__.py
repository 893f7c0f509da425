"""Who is calling, and what they may hold.

Verifies access tokens, obtains credentials from Alibaba Cloud IDaaS, keeps them for as long as they are
good, and says in one error tree what went wrong. Imports nothing of the other packages.
"""
