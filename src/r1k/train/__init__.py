"""SFT and DPO of LoRA adapters, resumable and published whole."""
