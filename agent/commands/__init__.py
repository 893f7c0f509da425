"""The commands of `idaas-agent`, one file each. They are thin: parse, call, print."""
