"""Elements every page uses: HTML, forms, charts, actions."""
