"""Few-shot adaptation: weights and architecture logits, meta-learned over tasks."""

from azora.adapting.adapted import Adapted
from azora.adapting.adapting import Adapting
from azora.adapting.episodes import Episode, Episodes
from azora.adapting.folder import load_adapting, save_adapting
from azora.adapting.layers import Layers
from azora.adapting.settings import AdaptingSettings

__all__ = ["Adapted", "Adapting", "AdaptingSettings", "Episode", "Episodes", "Layers", "load_adapting", "save_adapting"]
