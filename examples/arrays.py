"""From arrays to predictions."""

from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split

import azora

x, x_new, y, y_new = train_test_split(*load_wine(return_X_y=True), random_state=0)
result = azora.search((x, y), trials=6, out="runs/arrays")
answers = result.predict(x_new)
print(f"{(answers == y_new.astype(str)).mean():.3f} of {len(y_new)} new wines recognised")
