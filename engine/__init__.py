"""The engine: everything Tunesmith does, without a screen.

    base    errors, store, paths, machine, project, gates, jobs, model
      |
    data    load -> check -> duplicates -> split -> dataset, data spec
      |
    plan    advice, recipe, memory, cost -> plan, training plan
      |
    run     trainer, metrics, checkpoints -> run (an adapter)
      |
    score   answers, metrics, statistics -> verdict
      |
    ship    merge, GGUF, parity -> artifacts, report, chat

The listing is the order of the journey and the only legal import order: a file imports from its
own folder and from those above it. `engine.worker` knows every stage; nothing here knows a screen.
"""
