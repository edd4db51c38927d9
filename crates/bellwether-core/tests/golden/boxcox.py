"""λ of the greatest likelihood, as `scipy.stats.boxcox` finds it: prints the constant of
`src/transform/derive/tests.rs`. Run with scipy 1.x: `python boxcox.py`."""

import numpy
import scipy
from scipy import stats

values = numpy.array([((k * 37 % 200) / 100 + 0.05) ** 2 for k in range(1, 201)])
print(scipy.__version__, repr(stats.boxcox(values)[1]))
