"""What begins with a slash: `line.run_line` carries a line out, `line.completions` tells what there is."""
