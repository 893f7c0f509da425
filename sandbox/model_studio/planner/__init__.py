"""The stand-in model: a deterministic planner, pure functions from conversation and tools to a decision.

It knows no tool by name: it picks those that share words with the question, fills their arguments by the
rules of `patterns.toml`, and words the results by `language.toml`, in English and Chinese.

    planning      decide(): calls or an answer; follow-up questions
    selection     which tool for which part of the question    <- vocabulary (words and concepts)
    filling       a tool's arguments from the texts            <- arguments (schemas), reading (one text)
    reading       what one text says                           <- patterns, dates, places
    answers       a result, a failure or small talk in words
"""
