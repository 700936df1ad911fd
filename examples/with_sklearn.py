"""A search as one step of a scikit-learn pipeline."""

from sklearn.datasets import load_wine
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from azora import AutoML

x, y = load_wine(return_X_y=True)
# For real work a time: AutoML("10m", target="onnxruntime", limits=["latency=2ms"]).
network = AutoML(trials=2, workers=1)
scores = cross_val_score(make_pipeline(StandardScaler(), network), x, y, cv=2)
print(f"accuracy {scores.mean():.3f} ± {scores.std():.3f}")
