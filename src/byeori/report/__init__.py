"""What goes out with a run: the model card, report.html, the table at the end on a terminal.

Everything is made from the run folder's files alone, so that it can be remade at any time; what is missing or damaged
there is named in the result. Nothing here loads a model, torch or transformers.

    from byeori.report.write import write_report; write_report("run")
"""
