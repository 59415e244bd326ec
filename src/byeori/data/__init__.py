"""Files and Python objects → rows: reading, column roles, label values, splitting.

Rows are `datasets.Dataset` whose columns carry role names (`text`, `label`, `tokens`, `source`…). Every row that was
found is either in the table or counted in a note or an error: none is lost in silence. The way of the data: sources
(objects, hub, urls) → places, archives → files, encoding → delimited, structured, nested, spreadsheets, conll, parallel
or documents → shapes (squad, nikl, summaries, choices, chat, tokens) → forms, roles → values, columns → assemble → read;
then labels and split.

    from byeori.data.read import read; rows = read("nsmc.tsv", text="document", label="label")
"""
