"""Version -> prediction -> map: batching parameters, model server, client, whole-tile prediction."""
