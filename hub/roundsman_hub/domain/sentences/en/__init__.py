"""What the hub says of itself, in English."""

from typing import Final

from roundsman_hub.domain.sentences.en.fields import FIELDS
from roundsman_hub.domain.sentences.en.orders import ORDERS
from roundsman_hub.domain.sentences.en.plans import PLANS
from roundsman_hub.domain.sentences.en.problems import PROBLEMS
from roundsman_hub.domain.sentences.en.refusals import REFUSALS
from roundsman_hub.domain.sentences.en.steps import STEPS
from roundsman_hub.domain.sentences.en.terminal import TERMINAL
from roundsman_hub.domain.sentences.en.words import WORDS

EN: Final = {**PLANS, **ORDERS, **REFUSALS, **STEPS, **FIELDS, **PROBLEMS, **TERMINAL, **WORDS}
