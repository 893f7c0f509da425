"""What `doctor` finds: each step (`examination`) and, of a failure, why (`obstacle`, `explanation`)."""
