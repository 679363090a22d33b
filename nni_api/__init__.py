"""What both sides know of NNI: its manager, register, folders and logs, and the messages of trials and tuners."""
