"""What is asked of other systems before a call of a tool is made.

May import `identity` and the modules at the top of `graph`.
"""
