"""Files and Python objects → rows: reading, column roles, label values, splitting.

Rows are `datasets.Dataset` whose columns carry role names (`text`, `label`, `tokens`, `source`…). Every row that was
found is either in the table or counted in a note or an error: none is lost in silence. The way of the data: files,
encoding → delimited, structured, conll, parallel or documents (objects, hub) → shapes (squad, summaries, choices, chat,
tokens) → forms, roles → values, columns → assemble → read; then labels and split.

    from byeori.data.read import read; rows = read("nsmc.tsv", text="document", label="label")
"""
