.PHONY: check test format bench

check: ## what CI runs
	bash .ci/run

test: ## the tests
	uv run pytest

format: ## ruff
	uv run ruff check --fix
	uv run ruff format

bench: ## the benchmarks; takes a while, and wants the machine for itself
	uv run benchmarks/distillation.py
