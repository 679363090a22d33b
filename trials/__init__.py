"""Train one structure and judge it: data, loss, metrics, training, and the commands around them."""
