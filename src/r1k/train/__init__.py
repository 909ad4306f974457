"""SFT and DPO of LoRA adapters: resumable training runs, published atomically."""
