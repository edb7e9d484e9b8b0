"""The churn flow: who is about to stop paying with us."""
