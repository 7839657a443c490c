"""A pytest plugin: a property that has found its counterexample says so at once; making it smaller takes minutes."""

from hypothesis import Phase, settings

settings.register_profile("unshrunk", phases=[Phase.explicit, Phase.generate])
settings.load_profile("unshrunk")
