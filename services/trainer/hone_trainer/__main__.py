from hone_chassis import serve

serve("hone_trainer.app")
