"""The main job: data in, a trained network of its own design out. It is `azora.automl.run`, which imports torch."""
