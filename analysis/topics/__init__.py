"""What a company's clients ask about: packs of topics, the company's own list, and where a sentence is about one.

One list feeds the rules (:mod:`analysis.topics.finding`) and the prompt of a model (:mod:`analysis.llm.prompts`).
"""

from analysis.topics.catalogue import Catalogue
from analysis.topics.packs import Pack, earlier, names, of_company, pack, resolve

__all__ = ["Catalogue", "Pack", "earlier", "names", "of_company", "pack", "resolve"]
