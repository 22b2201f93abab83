package model
import "gossamer/runtime/kernel"
func kernelSampleArgs(s *decodeScratch) kernel.SampleArgs { return kernel.SampleArgs{Step: whole(s.step), Logits: whole(s.logits), Allowed: whole(s.allowed), Candidates: whole(s.candidates), Tokens: whole(s.ring)} }
