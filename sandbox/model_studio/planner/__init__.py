"""The stand-in model: a deterministic planner, from conversation and tools to a decision.

It knows no tool by name: it picks those that share words with the question, fills their arguments
with what the texts say, and words the results, in English and Chinese (`language.toml`).

    planning      decide(): calls or an answer
    selection     which tool for which part of the question; follow-up questions
    filling       a tool's arguments from texts   <- arguments (schemas), reading (one text), dates
    answers       a result, a failure or small talk in words
"""
