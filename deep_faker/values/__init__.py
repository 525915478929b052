"""Values of fields by column: what Faker and Mimesis make one by one, as arrays from keyed draws.

What other rooms need is here.  Each module of `families` is one family of values, which registers itself.
Faker and Mimesis are imported at the first use of a provider.
"""

from deep_faker.values.base import Drawn as Drawn
from deep_faker.values.base import Place as Place
from deep_faker.values.base import Provider as Provider
from deep_faker.values.base import Rows as Rows
from deep_faker.values.catalogue import entries as entries
from deep_faker.values.door import localized as localized
from deep_faker.values.door import make as make
from deep_faker.values.hidden import refuse_hidden
from deep_faker.values.lookup import provider_names as provider_names
from deep_faker.values.related import Related as Related
from deep_faker.values.related import make_related as make_related

refuse_hidden()
