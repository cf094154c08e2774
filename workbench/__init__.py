"""The machinery behind `./dev`, F5 and the services. DAGs import nothing of it, their debug hook aside."""
