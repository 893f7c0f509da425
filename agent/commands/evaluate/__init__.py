"""`idaas-agent eval`: cases of an agent in a file, and a report of what each did.

Begin at `cases`, then `evaluation`.
"""
