"""What the hub says of itself, in French."""

from typing import Final

from roundsman_hub.domain.sentences.fr.fields import FIELDS
from roundsman_hub.domain.sentences.fr.orders import ORDERS
from roundsman_hub.domain.sentences.fr.plans import PLANS
from roundsman_hub.domain.sentences.fr.problems import PROBLEMS
from roundsman_hub.domain.sentences.fr.refusals import REFUSALS
from roundsman_hub.domain.sentences.fr.steps import STEPS
from roundsman_hub.domain.sentences.fr.terminal import TERMINAL
from roundsman_hub.domain.sentences.fr.words import WORDS

FR: Final = {**PLANS, **ORDERS, **REFUSALS, **STEPS, **FIELDS, **PROBLEMS, **TERMINAL, **WORDS}
