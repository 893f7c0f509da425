"""The stand-in model: a deterministic planner, pure functions from conversation and tools to a decision.

It knows no tool by name. It reads what is offered (name, description, JSON Schema), picks the tools that fit
the question, fills their arguments from the text, and words the answer from their results.

    planning    decide(): calls or an answer; follow-up questions
    selection   which tool for which part of the question    <- vocabulary
    arguments   a tool's arguments from the text             <- roles (schemas), phrases and places (text)
    answers     a result, a failure or small talk in words

`language.toml` has the words, in English and Chinese.
"""
