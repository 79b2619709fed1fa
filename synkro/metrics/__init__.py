"""Metrics: what each number is (``registry``), where it is read (``queries``), and the rows behind it (``lineage``)."""
