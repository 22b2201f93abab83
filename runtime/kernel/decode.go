package kernel

// decodeShapes lists the decode kernels in representative shapes, for All.
func decodeShapes() []config {
	const h, inner, heads, kvHeads, dim, vocab, eps = 2880, 2880, 64, 8, 64, 201088, 1e-5
	shapes := []config{
		EmbedConfig{Hidden: h},
		EmbedConfig{Hidden: 32},
		samplePartialConfig{Rows: 1, Vocab: vocab, Ring: 64},
		sampleFinalConfig{Rows: 1, Vocab: vocab, Ring: 64},
		samplePartialConfig{Rows: 1, Vocab: 3, Ring: 1},
		sampleFinalConfig{Rows: 1, Vocab: 3, Ring: 1},
		sampleAdjustConfig{Rows: 1, Vocab: vocab, Ring: 64},
		sampleFilterConfig{Rows: 1, Vocab: vocab, Ring: 64},
		samplePartialFullConfig{Rows: 1, Vocab: vocab, Ring: 64},
		sampleFinalFullConfig{Rows: 1, Vocab: vocab, Ring: 64},
		logprobsConfig{Rows: 1, Vocab: vocab, Ring: 64},
		sampleAdjustConfig{Rows: 1, Vocab: 3, Ring: 1},
		sampleFilterConfig{Rows: 1, Vocab: 3, Ring: 1},
		samplePartialFullConfig{Rows: 1, Vocab: 3, Ring: 1},
		sampleFinalFullConfig{Rows: 1, Vocab: 3, Ring: 1},
		logprobsConfig{Rows: 1, Vocab: 3, Ring: 1},
		GateUpConfig{Rows: 1, Hidden: h, Intermediate: inner, Experts: 32, TopK: 4, Limit: 7, Alpha: 1.702},
		GateUpConfig{Rows: 1, Hidden: h, Intermediate: inner, Experts: 128, TopK: 4, Limit: 7, Alpha: 1.702},
		GateUpConfig{Rows: 8, Hidden: 32, Intermediate: 32, Experts: 1, TopK: 1, Limit: 7, Alpha: 1.702},
		GateUpConfig{Rows: 1, Hidden: 64, Intermediate: 96, Experts: maxExperts, TopK: maxTopK, Limit: 7, Alpha: 1.702},
		DownConfig{Rows: 1, Hidden: h, Intermediate: inner, TopK: 4},
		DownConfig{Rows: 8, Hidden: 32, Intermediate: 32, TopK: 1},
		combineRowsConfig{Hidden: h, TopK: 4},
		combineRowsConfig{Hidden: 4, TopK: 1},
		AttnConfig{Rows: 1, Heads: 3, KVHeads: 1, HeadDim: 8, Splits: 1, Window: 8},
		AttnConfig{Rows: 1, Heads: 128, KVHeads: 1, HeadDim: 256, Splits: 1024, Window: 8, KVF16: true},
	}
	for _, lists := range []routeRowsConfig{
		{Rows: 8, Experts: 32, TopK: 4, Height: 8}, {Rows: maxRows, Experts: 128, TopK: 4, Height: 16}, {Rows: 1, Experts: 1, TopK: 1, Height: 1},
		{Rows: maxRows, Experts: maxExperts, TopK: maxTopK, Height: maxRows},
	} {
		shapes = append(shapes, lists)
	}
	published := ExpertLists{Rows: 8, Experts: 32, TopK: 4, Height: 8}
	smallest := ExpertLists{Rows: 2, Experts: 1, TopK: 1, Height: 2}
	shapes = append(shapes,
		GateUpRowsConfig{Hidden: h, Intermediate: inner, Limit: 7, Alpha: 1.702, Lists: published},
		GateUpRowsConfig{Hidden: 32, Intermediate: 32, Limit: 7, Alpha: 1.702, Lists: smallest},
		DownRowsConfig{Hidden: h, Intermediate: inner, Lists: published},
		DownRowsConfig{Hidden: 1, Intermediate: 32, Lists: smallest},
	)
	for _, rows := range []int{1, 2, 4, tileRows, maxRows} {
		shapes = append(shapes,
			QKVConfig{Rows: rows, Hidden: h, Heads: heads, KVHeads: kvHeads, HeadDim: dim, NormEps: eps, Tables: 64, KVF16: rows%4 == 1},
			OutConfig{Rows: rows, Hidden: h, Inputs: heads * dim},
			RouterConfig{Rows: rows, Hidden: h, Experts: 128, NormEps: eps, Plain: rows == maxRows},
			UnembedConfig{Rows: rows, Hidden: h, Vocab: vocab, NormEps: eps},
			QKVConfig{Rows: rows, Hidden: 32, Heads: 3, KVHeads: 1, HeadDim: 8, NormEps: eps, Sliding: true},
			OutConfig{Rows: rows, Hidden: 32, Inputs: 24},
			RouterConfig{Rows: rows, Hidden: 32, Experts: 1, NormEps: eps},
			UnembedConfig{Rows: rows, Hidden: 32, Vocab: 3, NormEps: eps},
		)
	}
	for _, f16 := range []bool{false, true} {
		split := AttnConfig{Rows: 1, Heads: heads, KVHeads: kvHeads, HeadDim: dim, Splits: 64, Window: 128, KVF16: f16}
		whole := split
		whole.Splits, whole.Sliding = 1, true
		shapes = append(shapes, whole, split, attnReduceConfig(split))
	}
	return shapes
}
