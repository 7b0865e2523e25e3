"""What the hub says of itself, in German."""

from typing import Final

from roundsman_hub.domain.sentences.de.fields import FIELDS
from roundsman_hub.domain.sentences.de.orders import ORDERS
from roundsman_hub.domain.sentences.de.plans import PLANS
from roundsman_hub.domain.sentences.de.problems import PROBLEMS
from roundsman_hub.domain.sentences.de.refusals import REFUSALS
from roundsman_hub.domain.sentences.de.steps import STEPS
from roundsman_hub.domain.sentences.de.terminal import TERMINAL
from roundsman_hub.domain.sentences.de.words import WORDS

DE: Final = {**PLANS, **ORDERS, **REFUSALS, **STEPS, **FIELDS, **PROBLEMS, **TERMINAL, **WORDS}
