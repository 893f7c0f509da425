"""The agent as a program: composition, HTTP surfaces, server and command line.

May import the packages below it; neither `sandbox` nor `plugins`, which have commands of their own.
Begin at `composition.agent`, which joins the parts, and `cli`.
"""
