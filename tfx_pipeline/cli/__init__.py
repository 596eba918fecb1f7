"""The command line `eoseg`: one module a verb."""
