package checkpoint

// HarmonyRows is the number of rows of the embedding of a model with gpt-oss's own vocabulary, o200k_harmony.
const HarmonyRows = 201088
