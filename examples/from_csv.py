"""A table with holes, words and numbers: from a CSV file to predictions for another one."""

import csv
import random
from pathlib import Path

from sklearn.datasets import load_breast_cancer

import azora

data, rng = load_breast_cancer(), random.Random(0)
names = [name.replace(" ", "_") for name in data.feature_names]
rows = []
for values, target in zip(data.data.tolist(), data.target.tolist(), strict=True):
    # One cell in twenty is empty, as in tables that people have; and one column holds words.
    cells = ["" if rng.random() < 0.05 else f"{value:.6g}" for value in values]
    rows.append([*cells, "large" if values[3] > 700 else "small", data.target_names[target]])
with Path("cancer.csv").open("w", newline="") as file:
    csv.writer(file).writerows([[*names, "size", "diagnosis"], *rows])

result = azora.search("cancer.csv", reading={"label": "diagnosis"}, trials=9, out="runs/cancer")
print(f"test accuracy {result.test_accuracy:.3f}; gradient boosting beside the networks: {result.boosting['says']}")

with Path("new.csv").open("w", newline="") as file:  # columns in any order, and one that was never seen
    csv.writer(file).writerows([["ward", "size", *names], *(["7", row[-2], *row[:-2]] for row in rows[:5])])
named, x = result.model.read(Path("new.csv"))
for name, answer in zip(named, result.predict(x), strict=True):
    print(name, answer)
