"""Print the tokens of a log by model and day."""

import sys

import duckdb

QUERY = """
copy (
    select make_timestamp(created * 1000000)::date as period, model,
           count(*) as responses, sum(usage.prompt_tokens) as prompt_tokens,
           sum(usage.completion_tokens) as completion_tokens,
           sum(usage.total_tokens) as total_tokens
    from read_json('{path}', format = 'newline_delimited', columns = {{
        model: 'VARCHAR', created: 'BIGINT',
        usage: 'STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT,
                       total_tokens BIGINT)'{more}
    }})
    {where}
    group by all
    order by all
) to '/dev/stdout' (format csv, header)
"""
# Some recorded lines are no responses. Only a log with such lines needs these columns.
MORE = ", usage_metadata: 'JSON', choices: 'STRUCT(finish_reason VARCHAR)[]'"
WHERE = """where usage_metadata is null
    and len(list_filter(choices, lambda choice: choice.finish_reason like '{%')) = 0"""

path = sys.argv[1]
is_mixed = "mixed" in path
duckdb.sql(
    QUERY.format(
        path=path, more=MORE if is_mixed else "", where=WHERE if is_mixed else ""
    )
)
