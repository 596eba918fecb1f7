from hypothesis import settings

# A shared machine stops for longer than Hypothesis' 200 ms whenever it likes.
settings.register_profile("eoseg", deadline=None)
settings.load_profile("eoseg")
