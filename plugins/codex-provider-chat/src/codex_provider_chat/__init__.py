"""Model provider for Chat Completions servers such as Ollama, LM Studio, llama.cpp and vLLM."""
