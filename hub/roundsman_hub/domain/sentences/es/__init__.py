"""What the hub says of itself, in Spanish."""

from typing import Final

from roundsman_hub.domain.sentences.es.fields import FIELDS
from roundsman_hub.domain.sentences.es.orders import ORDERS
from roundsman_hub.domain.sentences.es.plans import PLANS
from roundsman_hub.domain.sentences.es.problems import PROBLEMS
from roundsman_hub.domain.sentences.es.refusals import REFUSALS
from roundsman_hub.domain.sentences.es.steps import STEPS
from roundsman_hub.domain.sentences.es.terminal import TERMINAL
from roundsman_hub.domain.sentences.es.words import WORDS

ES: Final = {**PLANS, **ORDERS, **REFUSALS, **STEPS, **FIELDS, **PROBLEMS, **TERMINAL, **WORDS}
