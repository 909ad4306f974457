"""The models that runs start from: of the hub, out of a package, or made from scratch."""
