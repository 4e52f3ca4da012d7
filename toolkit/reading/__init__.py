"""Reading: from the names of logs and exports to tables, every line accounted for."""
