"""Whether the next move is ours after a client's message, why, and how sure that is.

``decide(talk)`` judges each message of a client by the messages before it. Pure: no database, no network, no key; the weights
beside this file were trained by ``python -m bench.train_intents``. What «needs an answer» means stands in docs/metrics.md.
"""

from analysis.intents.decision import VERSION, Intent, decide
from analysis.intents.talk import Said

__all__ = ["VERSION", "Intent", "Said", "decide"]
