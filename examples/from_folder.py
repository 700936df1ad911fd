"""Pictures in folders, one folder a class: damaged ones are left out, sizes and modes may differ."""

from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

import azora

data = load_digits()
for number, (pixels, label) in enumerate(zip(data.images[:600], data.target[:600], strict=True)):
    picture = Image.fromarray((pixels * 15.9).astype(np.uint8))
    if number % 3 == 0:
        picture = picture.resize((12, 12))
    file = Path("pictures") / f"digit {label}" / f"{number}.png"
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
Path("pictures/digit 0/torn.png").write_bytes(b"not a picture")

reading = {"size": 8, "skip_bad": True}
result = azora.search("pictures", reading=reading, trials=6, limits=["macs=400k"], out="runs/pictures")
print(result.summary())
_, x = result.model.read(Path("pictures/digit 3/3.png"))
print("a three is seen as", result.predict(x)[0])
