"""What a number of employees needs: arithmetic from measured figures, and a simulation of queues.

Pure standard library; imports nothing of the project but itself, and reads no clock.
Begin at `needs`; `python -m benchmarks.scaling` replaces the tables of `docs/scaling.md`.
"""
