"""Whether a sentence somebody wrote about a dialog stands in the messages it names: checked by code, without a model.

:func:`analysis.proof.checks.refuse` is the whole of it; the other modules each know one kind of slip.
"""
